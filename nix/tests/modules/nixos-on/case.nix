{
  module = "nixos";
  config.programs.opencode-cache.enable = true;
}
