# What laying a secret does to a home: the mode, the content, and that a user's own file stays.
{ pkgs }:
let
  lay = import ../../modules/lay-auth.nix {
    inherit pkgs;
    secretFile = "/build/it's a secret.json";
  };
in
pkgs.runCommand "opencode-cache-module-auth" { } ''
  export HOME=$PWD/home
  place=$HOME/.local/share/opencode/auth.json
  says() { [ "$(cat $place)" = "$1" ] && [ "$(stat -c %a $place)" = 600 ] || { echo "$place: not $1, mode 600" >&2; exit 1; }; }
  echo one >"/build/it's a secret.json"
  ${lay}; says one
  echo two >"/build/it's a secret.json"
  ${lay}; says two
  # Killed between the two copies: the next one goes on.
  echo older >$HOME/.local/state/opencode-cache/auth.json
  ${lay}; says two
  echo three >"/build/it's a secret.json"
  ${lay}; says three
  echo mine >$place
  ${lay} 2>said; says mine
  grep -q 'leave .*auth.json as it is' said
  echo done >$out
''
