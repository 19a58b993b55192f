# NixOS: `programs.opencode-cache`, for every user of the machine.
{ self }:
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.programs.opencode-cache;
  place = "opencode/opencode.json";
  # Measured: 1.1.53 does, 1.0.61 to 1.1.34 do not.
  readsPlace = builtins.compareVersions (self.lib.version cfg.lock) "1.1.53" >= 0;
  common = import ./common.nix { inherit self; } {
    inherit config lib pkgs;
    path = "nixosConfigurations.${config.networking.hostName}.config.programs.opencode-cache";
  };
in
{
  options.programs.opencode-cache = common.options // {
    nix-ld = {
      enable = lib.mkEnableOption "OpenCodes that editors download themselves, through nix-ld";
      libraries = lib.mkOption {
        type = lib.types.listOf lib.types.package;
        default = [ pkgs.stdenv.cc.cc.lib ];
        defaultText = "the C++ library";
        description = "What such a binary and the native modules of its plugins may load.";
      };
    };
  };

  config = lib.mkMerge [
    (lib.mkIf cfg.enable {
      inherit (common) assertions;
      environment.systemPackages = [ cfg.package ];
    })
    (lib.mkIf (cfg.enable && cfg.settings != { }) {
      # Where OpenCode looks for what a machine's owner sets.
      environment.etc.${place}.text = common.configuration;
    })
    (lib.mkIf (cfg.enable && cfg.settings != { } && !readsPlace) {
      environment.variables.OPENCODE_CONFIG = lib.mkDefault "/etc/${place}";
    })
    (lib.mkIf (cfg.enable && cfg.auth.secretFile != null) {
      systemd.user.services.opencode-cache-auth = {
        description = "Puts keys where OpenCode looks for them";
        wantedBy = [ "default.target" ];
        serviceConfig = {
          Type = "oneshot";
          ExecStart = "${common.layAuth}";
        };
      };
    })
    (lib.mkIf cfg.nix-ld.enable {
      programs.nix-ld = {
        enable = true;
        inherit (cfg.nix-ld) libraries;
      };
    })
  ];
}
