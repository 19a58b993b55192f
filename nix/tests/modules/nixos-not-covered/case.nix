# Plugin, SDKs and a provider by name that the lock does not have; what is local, disabled or replaced by OpenCode is not missed.
{
  module = "nixos";
  config = {
    networking.hostName = "box";
    programs.opencode-cache = {
      enable = true;
      settings = {
        model = "groq/some-model";
        plugin = [
          "another-plugin@1.0.0"
          "file:///home/somebody/plugin.ts"
          "{env:PLUGIN}"
        ];
        disabled_providers = [ "off" ];
        provider = {
          mine.npm = "@mine/sdk";
          off.npm = "@off/sdk";
          mistral.models.one.provider.npm = "@other/sdk";
          inside.npm = "@ai-sdk/google-vertex/anthropic";
        };
      };
    };
  };
}
