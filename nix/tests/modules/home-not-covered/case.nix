{
  module = "home";
  config = {
    home.username = "somebody";
    programs.opencode-cache = {
      enable = true;
      settings.plugin = [ "another-plugin" ];
    };
  };
}
