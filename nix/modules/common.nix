# What the modules for NixOS and home-manager have in common: options, and what follows from them.
{ self }:
{
  config,
  lib,
  pkgs,
  # How `nix run` reaches this option in a user's flake, for messages.
  path,
}:
let
  cfg = config.programs.opencode-cache;
  with-nixpkgs = import ../with-nixpkgs.nix pkgs;
  lacking = self.lib.covers { inherit (cfg) lock settings; };
in
{
  options = {
    enable = lib.mkEnableOption "OpenCode with everything that it downloads at run time";

    lock = lib.mkOption {
      type = lib.types.path;
      default = ../../opencode.lock.json;
      defaultText = "the lock of opencode-cache's own flake";
      description = "What OpenCode and its cache are built from; `writeLock` writes one for `settings`.";
    };

    profile = lib.mkOption {
      type = lib.types.enum [
        "online"
        "offline"
      ];
      default = "online";
      description = "`online`: OpenCode may add what was not captured. `offline`: nothing tries.";
    };

    package = lib.mkOption {
      type = lib.types.package;
      default = with-nixpkgs.package { inherit (cfg) lock profile; };
      defaultText = "built from `lock` and `profile`";
      description = "What is installed.";
    };

    settings = lib.mkOption {
      inherit (pkgs.formats.json { }) type;
      default = { };
      example = {
        model = "groq/llama-3.3-70b-versatile";
        plugin = [ "opencode-pty" ];
      };
      description = "OpenCode's own configuration, with OpenCode's keys. The lock has to cover it.";
    };

    auth.secretFile = lib.mkOption {
      type = lib.types.nullOr lib.types.str;
      default = null;
      example = "/run/secrets/opencode-auth.json";
      description = ''
        A file with what OpenCode keeps in `auth.json`, as sops-nix or agenix put it there. It is copied, for its owner only, to
        where OpenCode looks, unless something of the user's stands there; it never gets into the store.
      '';
    };

    writeLock = lib.mkOption {
      type = lib.types.package;
      readOnly = true;
      default = import ../lock-app.nix pkgs { inherit (cfg) settings; };
      defaultText = "a program";
      description = "Writes `opencode.lock.json` for `settings` into the folder that it is run in.";
    };
  };

  assertions = [
    {
      assertion = lacking == [ ];
      message = ''
        programs.opencode-cache: the lock does not cover `settings`:
        ${builtins.concatStringsSep "\n" (map (line: "- ${line}") lacking)}
        Run `nix run .#${path}.writeLock` in your flake's folder, and set `programs.opencode-cache.lock` to the opencode.lock.json that it writes.'';
    }
    {
      assertion = cfg.auth.secretFile == null || !lib.hasPrefix builtins.storeDir cfg.auth.secretFile;
      message = "programs.opencode-cache.auth.secretFile: ${toString cfg.auth.secretFile} is in the store, where everybody can read it. Name a file that only its owner can read, as sops-nix or agenix make one.";
    }
  ];

  # The program that copies the secret, and the configuration as a file's text.
  layAuth = import ./lay-auth.nix { inherit pkgs; inherit (cfg.auth) secretFile; };
  configuration = builtins.toJSON cfg.settings + "\n";
}
