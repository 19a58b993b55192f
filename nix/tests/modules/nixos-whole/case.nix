{
  module = "nixos";
  config = {
    networking.hostName = "box";
    programs.opencode-cache = {
      enable = true;
      lock = ../../../../opencode.lock.json;
      profile = "offline";
      settings = {
        autoupdate = false;
        plugin = [
          "opencode-pty"
          [
            "./local.ts"
            { of = "mine"; }
          ]
        ];
        provider.fireworks.npm = "@ai-sdk/fireworks";
      };
      auth.secretFile = "/run/secrets/opencode's auth.json";
      nix-ld.enable = true;
    };
  };
}
