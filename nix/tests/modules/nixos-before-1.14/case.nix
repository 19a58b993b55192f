{
  module = "nixos";
  config.programs.opencode-cache = {
    enable = true;
    lock = ../../../../fixtures/lock/era-a-1.0.152/lock.json;
    settings.autoupdate = false;
  };
}
