# Nothing comes of it until it is enabled.
{
  module = "nixos";
  config.programs.opencode-cache.settings.model = "nobody/knows";
}
