# A program that puts a secret where OpenCode looks for keys. What the user has changed there since is theirs.
{ pkgs, secretFile }:
pkgs.writeShellScript "opencode-cache-auth" ''
  set -eu
  umask 077
  secret=${"'" + builtins.replaceStrings [ "'" ] [ "'\\''" ] secretFile + "'"}
  place=''${XDG_DATA_HOME:-$HOME/.local/share}/opencode/auth.json
  last=''${XDG_STATE_HOME:-$HOME/.local/state}/opencode-cache/auth.json
  mkdir -p "''${place%/*}" "''${last%/*}"
  is() { [ -e "$1" ] && [ "$(cat "$1")" = "$(cat "$place")" ]; }
  if [ -e "$place" ] && ! is "$last" && ! is "$secret"; then
    echo "opencode-cache: leave $place as it is: it is not what was put there; move it away to have it replaced" >&2
    exit 0
  fi
  cp "$secret" "$place.new"
  chmod 600 "$place.new"
  mv "$place.new" "$place"
  cp "$place" "$last.new"
  mv "$last.new" "$last"
''
