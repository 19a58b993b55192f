# Whatever package is said is the one that is installed.
{
  module = "home";
  config.programs.opencode-cache = {
    enable = true;
    package = {
      type = "derivation";
      name = "my-own-opencode";
    };
  };
}
