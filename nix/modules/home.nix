# home-manager: `programs.opencode-cache`, for one user.
{ self }:
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.programs.opencode-cache;
  common = import ./common.nix { inherit self; } {
    inherit config lib pkgs;
    path = "homeConfigurations.${config.home.username}.config.programs.opencode-cache";
  };
in
{
  options.programs.opencode-cache = common.options;

  config = lib.mkMerge [
    (lib.mkIf cfg.enable {
      inherit (common) assertions;
      home.packages = [ cfg.package ];
    })
    (lib.mkIf (cfg.enable && cfg.settings != { }) {
      xdg.configFile."opencode/opencode.json".text = common.configuration;
    })
    (lib.mkIf (cfg.enable && cfg.auth.secretFile != null) {
      home.activation.opencodeCacheAuth = lib.hm.dag.entryAfter [ "writeBoundary" ] "run ${common.layAuth}\n";
    })
  ];
}
