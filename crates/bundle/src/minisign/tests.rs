//! Against what minisign itself made.

use blake2::{Blake2b512, Digest as _};

use super::*;

/// Of minisign 0.11 (`-G -W`, and `-S -t 'a trusted comment'`), of the file that has [`SIGNED`] in it.
const PUBLIC: &str = "untrusted comment: minisign public key A52DD0977EA887C1
RWTBh6h+l9AtpRYH2j/FZCYxDoVhDwCJk1HS7YP9msMqD7eq/glpX0nt
";
const SIGNATURE: &str = "untrusted comment: x
RUTBh6h+l9AtpU/GjWpks5EkJMhsPuPBfss/1Jxi7N0SnF5QwqcsrMR3Mxo5HsuJwceaqB3/I3IvXTGBCtUorF4KutdBesFaHgQ=
trusted comment: a trusted comment
YKFEziasjMRROY5e6nbWy6c6DvKByHXgn1gkht/tDl6Ej3VkrO1Z+HFmPkLcw4LBTyymGogH0hfVzWMmRCUZBQ==
";
const SIGNED: &[u8] = b"what is signed\n";

fn hash(bytes: &[u8]) -> [u8; 64] {
    Blake2b512::digest(bytes).into()
}

/// A key of no secrecy.
fn secret() -> SecretKey {
    SecretKey::new([7; 32], [1, 2, 3, 4, 5, 6, 7, 8]).unwrap()
}

#[test]
fn what_minisign_signed_is_verified_and_nothing_else() {
    let key: PublicKey = PUBLIC.parse().unwrap();
    let signature: Signature = SIGNATURE.parse().unwrap();
    assert_eq!(key.verify(&hash(SIGNED), &signature), Ok("a trusted comment"));
    assert_eq!(key.verify(&hash(b"another"), &signature), Err(Error::Forged));
    let altered: Signature = SIGNATURE.replace("a trusted c", "another c").parse().unwrap();
    assert_eq!(key.verify(&hash(SIGNED), &altered), Err(Error::Comment));
    assert_eq!(key.id(), "A52DD0977EA887C1");
    assert_eq!(key.to_string(), PUBLIC);
    assert_eq!(PUBLIC.lines().nth(1).unwrap().parse(), Ok(key.clone()));
    let other = secret().public().verify(&hash(SIGNED), &signature).unwrap_err();
    assert_eq!(other.code(), "signature-other-key");
}

#[test]
fn what_is_signed_here_is_verified_and_keys_read_back() {
    let signature = secret().sign(&hash(SIGNED), "bundle\nof nobody");
    assert_eq!(signature, signature.to_string().parse().unwrap());
    assert_eq!(secret().public().verify(&hash(SIGNED), &signature), Ok("bundleof nobody"));
    let again: SecretKey = secret().to_text().parse().unwrap();
    assert_eq!(again.public(), secret().public());
    assert_eq!(format!("{again:?}"), "SecretKey(0807060504030201)");
}

#[test]
fn whatever_is_neither_is_refused() {
    let text = secret().to_text();
    let bytes = |text: &str| STANDARD.decode(text.lines().nth(1).unwrap()).unwrap();
    let changed = |at: usize, to: u8| {
        let mut bytes = bytes(&text);
        bytes[at] = to;
        format!("{UNTRUSTED}x\n{}\n", STANDARD.encode(bytes)).parse::<SecretKey>().map(drop)
    };
    assert_eq!(changed(2, b'S'), Err(Error::Password));
    assert_eq!(changed(0, b'X'), Err(malformed("secret key")));
    // The public half is not that of the seed.
    assert_eq!(changed(100, 1), Err(malformed("secret key")));
    assert!(text.parse::<PublicKey>().is_err() && PUBLIC.parse::<SecretKey>().is_err());
    let legacy = {
        let mut bytes = bytes(SIGNATURE);
        bytes[1] = b'd';
        SIGNATURE.replace(SIGNATURE.lines().nth(1).unwrap(), &STANDARD.encode(bytes))
    };
    assert_eq!(legacy.parse::<Signature>(), Err(Error::Legacy));
    for wrong in ["", "\n\n\n\n", PUBLIC, &SIGNATURE[1..], &format!("{SIGNATURE}more\n")] {
        assert_eq!(wrong.parse::<Signature>(), Err(malformed("signature")), "{wrong}");
    }
}

proptest::proptest! {
    #[test]
    fn any_text_is_read_or_refused(text: String) {
        let _ = (text.parse::<Signature>(), text.parse::<PublicKey>(), text.parse::<SecretKey>());
    }

    #[test]
    fn a_flipped_bit_is_never_verified(bit in 0usize..64 * 8) {
        let mut hash = hash(SIGNED);
        hash[bit / 8] ^= 1 << (bit % 8);
        let key: PublicKey = PUBLIC.parse().unwrap();
        let signature: Signature = SIGNATURE.parse().unwrap();
        proptest::prop_assert_eq!(key.verify(&hash, &signature), Err(Error::Forged));
    }
}
