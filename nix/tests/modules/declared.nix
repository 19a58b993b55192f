# The options of NixOS and home-manager that our modules set, as far as they matter here.
module: lib:
let
  inherit (lib) mkOption types;
  list = mkOption {
    type = types.listOf types.anything;
    default = [ ];
  };
  set = mkOption {
    type = types.attrsOf types.anything;
    default = { };
  };
  text = mkOption {
    type = types.str;
    default = "somebody";
  };
in
{
  assertions = list;
}
// (
  {
    nixos = {
      environment = {
        systemPackages = list;
        etc = set;
        variables = set;
      };
      networking.hostName = text;
      systemd.user.services = set;
      programs.nix-ld = set;
    };
    home = {
      home = {
        packages = list;
        activation = set;
        username = text;
      };
      xdg.configFile = set;
    };
  }
  .${module}
)
