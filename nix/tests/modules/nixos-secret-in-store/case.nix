{
  module = "nixos";
  config.programs.opencode-cache = {
    enable = true;
    auth.secretFile = "/nix/store/00000000000000000000000000000000-auth.json";
  };
}
