# For editors that bring their own OpenCode: without ours, and with libraries of one's own.
{
  module = "nixos";
  config.programs.opencode-cache.nix-ld = {
    enable = true;
    libraries = [ ];
  };
}
