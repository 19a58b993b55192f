{
  module = "home";
  config = {
    home.username = "somebody";
    programs.opencode-cache = {
      enable = true;
      settings.plugin = [ "opencode-pty" ];
      auth.secretFile = "/run/user/1000/secrets/auth.json";
    };
  };
}
