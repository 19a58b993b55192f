# Under the names that nixpkgs has for them. `prepare` puts what they are made of into ./files; of systems other than
# x86_64-linux they are only evaluated.
{ system }:
let
  lib = import ./lib.nix;
  folder =
    name:
    builtins.path {
      path = ./files + "/${name}";
      inherit name;
    };
  static = folder "static";

  script =
    name: attributes: text:
    derivation (
      {
        inherit name system;
        builder = "${static}/bin/bash";
        args = [
          "-euc"
          "PATH=$initialPath; for input in $nativeBuildInputs; do PATH=$PATH:$input/bin; done; ${text}"
        ];
        initialPath = "${static}/bin";
        nativeBuildInputs = [ ];
      }
      // attributes
    );

  program = builtins.path {
    path = ./files/tool;
    name = "opencode-cache-tool";
  };

  loader = builtins.fromJSON (builtins.readFile ./files/loader.json);

  self = {
    inherit lib system;

    bash = static;
    coreutils = static;

    glibc = script "glibc" (builtins.mapAttrs (_: toString) loader) ''
      mkdir $out
      cp -r ${folder "glibc"}/lib $out/lib
      cd $out/lib
      chmod u+w . *
      loader=$(echo ld-linux-*)
      put() { dd of=$loader bs=1 seek=$1 conv=notrunc 2>/dev/null; }
      number() { local i; for ((i = 0; i < $2; i++)); do printf "\\x$(printf %02x $(($1 >> 8 * i & 255)))"; done; }
      own=$out/lib/
      { printf '%s\0/\0/\0/\0' "$own"; } | put $names
      { number ''${#own} 8; number 1 8; number 1 8; number 1 8; } | put $lengths
      number ''${#own} 4 | put $first
      number ''${#own} 4 | put $longest
      number $((distance + ''${#own} + 1 - 23)) 4 | put $second
      chmod 555 $loader
    '';

    patchelf = script "patchelf" { } ''
      mkdir -p $out/bin $out/libexec
      cp ${folder "patchelf"}/bin/patchelf $out/libexec/patchelf
      printf '#!%s\nexec %s --library-path %s %s "$@"\n' ${static}/bin/bash \
        "$(echo ${self.glibc}/lib/ld-linux-*)" ${self.stdenv.cc.cc.lib}/lib $out/libexec/patchelf >$out/bin/patchelf
      chmod 555 $out/bin/patchelf
    '';

    stdenv = {
      hostPlatform = {
        inherit system;
        isLinux = lib.hasSuffix "-linux" system;
        isDarwin = lib.hasSuffix "-darwin" system;
      };
      cc = {
        bintools.dynamicLinker = "${self.glibc}/lib/${
          if lib.hasPrefix "x86_64" system then "ld-linux-x86-64.so.2" else "ld-linux-aarch64.so.1"
        }";
        cc.lib = folder "cc";
      };
    };

    runCommand =
      name: attributes: text:
      script name (removeAttrs attributes [
        "meta"
        "passthru"
      ]) text
      // (attributes.passthru or { })
      // {
        meta = attributes.meta or { };
      };

    writeShellScript =
      name: text:
      script name
        {
          inherit text;
          passAsFile = [ "text" ];
        }
        ''
          { echo '#!${static}/bin/bash'; cat $textPath; } >$out
          chmod 555 $out
        ''
      // {
        inherit text;
      };

    # A shell with nothing in it.
    mkShell = attributes: script "nix-shell" { } "echo >$out" // attributes;

    nixfmt-tree = script "nixfmt-tree" { } "mkdir -p $out/bin; ln -s ${static}/bin/true $out/bin/treefmt";

    # Nothing is compiled in tests: this is the program that `prepare` was given.
    rustPlatform.buildRustPackage =
      attributes:
      builtins.seq "${attributes.src}" (
        script "${attributes.pname}-${attributes.version}" { } "mkdir $out; cp -r ${program}/bin $out/bin"
      )
      # Named as in nix/tests/lib, so that nothing is captured once more for the flake.
      // {
        outPath = program;
      }
      // {
        inherit (attributes) meta;
      };
  };
in
self
