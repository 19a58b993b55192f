{
  module = "home";
  config.programs.opencode-cache.auth.secretFile = null;
}
