# A program that writes the lock into the folder that it is run in: from the manifest there, or the opencode.json there, or
# from settings that were evaluated.
pkgs:
{
  settings ? null,
  # Whether our program is taken as it was released.
  prebuilt ? false,
}:
let
  tool = (import ./with-nixpkgs.nix pkgs).toolOf prebuilt;
  evaluated = builtins.toFile "opencode.json" (builtins.toJSON settings);
in
pkgs.runCommand "opencode-cache-lock" { meta.mainProgram = "lock"; } ''
  mkdir -p $out/bin
  cat >$out/bin/lock <<'SCRIPT'
  #!/bin/sh
  set -eu
  ${
    if settings != null then
      "set -- --config ${evaluated} \"$@\""
    else
      "if [ ! -e opencode-cache.toml ] && [ -e opencode.json ]; then set -- --config opencode.json \"$@\"; fi"
  }
  exec ${tool}/bin/opencode-cache lock "$@"
  SCRIPT
  chmod 555 $out/bin/lock
''
