# What it takes to work on this project, as `.ci/run` has it on Debian.
pkgs:
pkgs.mkShell {
  packages = builtins.concatMap (name: if pkgs ? ${name} then [ pkgs.${name} ] else [ ]) [
    "cargo"
    "clippy"
    "jq"
    "nodejs"
    "patchelf"
    "rustc"
    "rustfmt"
    "strace"
  ];
}
