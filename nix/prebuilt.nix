# Our own program as it was released, compiled by nobody here: what tool.lock.json pins (docs/BOT.md). null where nothing is pinned for
# the system, as before the first release.
pkgs: pins:
let
  pin =
    if builtins.pathExists pins then
      (builtins.fromJSON (builtins.readFile pins)).systems.${pkgs.stdenv.hostPlatform.system} or null
    else
      null;
in
if pin == null then
  null
else
  pkgs.runCommand "opencode-cache-${pin.version}"
    {
      # Nix's own, so that no other program downloads it.
      archive = import <nix/fetchurl.nix> {
        inherit (pin) url;
        hash = pin.integrity;
      };
      meta = {
        description = "Records what OpenCode downloads at run time, pins it in one lock file, and replays it hermetically";
        mainProgram = "opencode-cache";
        license = pkgs.lib.licenses.mit;
      };
    }
    ''
      mkdir $out
      tar -xzf $archive -C $out --strip-components 1
    ''
