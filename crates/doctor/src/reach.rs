//! What a look at the outside showed, judged. Asks nothing itself: whoever has a network to ask hands over what came of it.

use builder::reach::{Asked, Trouble};
use builder::registry::Trust;

use crate::finding::{Check, Finding};

/// The check's name.
const NAME: &str = "reach";

/// Judges what came of asking, and what is trusted there.
#[must_use]
pub fn check(trust: &Trust, asked: &[Asked]) -> Check {
    let mut findings = trusted(trust);
    findings.extend(asked.iter().map(one));
    Check { name: NAME, findings }
}

/// The same where nobody could be asked.
#[must_use]
pub fn unasked(trouble: &Trouble) -> Check {
    Check { name: NAME, findings: vec![troubled("registry", trouble, &trouble.text)] }
}

fn trusted(trust: &Trust) -> Vec<Finding> {
    let Trust { is_checked, system, files, missing, inline } = trust;
    let mut findings = Vec::new();
    if !is_checked {
        let text = "certificates are not checked (strict-ssl=false): anybody on the way can answer";
        findings.push(
            Finding::note("tls-unchecked", "strict-ssl", text)
                .next("remove it, and name your authority with cafile= in .npmrc"),
        );
    }
    for path in missing {
        let text = "named as a file of authorities, and not there: it is passed over";
        let next = "correct cafile= in .npmrc, NODE_EXTRA_CA_CERTS or SSL_CERT_FILE";
        findings.push(Finding::problem("authority-unusable", path.display(), text).next(next));
    }
    let mut names = vec![system.clone().unwrap_or_else(|| "those of the system".to_owned())];
    names.extend(files.iter().map(|path| path.display().to_string()));
    if *inline > 0 {
        names.push(format!("{inline} in ca= of .npmrc"));
    }
    findings.push(Finding::ok("authorities", "authorities", names.join(", ")));
    findings
}

fn one(asked: &Asked) -> Finding {
    let Asked { what, host, way, elapsed, without, answer } = asked;
    // Most texts say the way by themselves.
    let told = |trouble: &Trouble| match trouble.text.contains(way.as_str()) {
        true => trouble.text.clone(),
        false => format!("{host}, {way}: {}", trouble.text),
    };
    match answer {
        Ok(status) => {
            let text = format!("{host} answers {status} {way} in {:.1} s", elapsed.as_secs_f64());
            Finding::ok("reached", what, text)
        }
        Err(trouble) => match without {
            None => troubled(what, trouble, &told(trouble)),
            Some(without) => {
                let finding = Finding::note(trouble.code, what, format!("{}; {without}", told(trouble)));
                trouble.hint.iter().fold(finding, Finding::next)
            }
        },
    }
}

fn troubled(what: &str, trouble: &Trouble, text: &str) -> Finding {
    trouble.hint.iter().fold(Finding::problem(trouble.code, what, text), Finding::next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Severity;
    use std::time::Duration;

    #[test]
    fn a_host_is_told_with_its_way_and_what_to_do() {
        let asked = |answer| Asked {
            what: "packages".into(),
            host: "npm.example".into(),
            way: "through the proxy proxy.example:3128".into(),
            elapsed: Duration::from_millis(140),
            without: None,
            answer,
        };
        let trouble = Trouble { code: "x", text: "no answer".into(), hint: Some("look".into()) };
        let trust = Trust { is_checked: false, missing: vec!["/gone.pem".into()], ..Trust::default() };
        let dispensable = Asked { without: Some("it goes without"), ..asked(Err(trouble.clone())) };
        let check = check(&trust, &[asked(Ok(200)), asked(Err(trouble)), dispensable]);
        let said: Vec<_> = check.findings.iter().map(|found| (found.severity, found.text.as_str())).collect();
        assert_eq!(
            said[3],
            (Severity::Ok, "npm.example answers 200 through the proxy proxy.example:3128 in 0.1 s")
        );
        assert_eq!(
            said[4],
            (Severity::Problem, "npm.example, through the proxy proxy.example:3128: no answer")
        );
        assert!(
            said[5].0 == Severity::Note && said[5].1.ends_with("no answer; it goes without"),
            "{}",
            said[5].1
        );
        assert_eq!(check.findings[4].next.as_deref(), Some("look"));
        assert_eq!((check.findings[0].code, check.findings[1].code), ("tls-unchecked", "authority-unusable"));
        assert_eq!(said[2].1, "those of the system");
    }
}
