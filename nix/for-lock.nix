# The outputs of a flake for one lock: ours for the committed one, a user's for theirs.
#
#     opencode-cache.lib.flake { lock = ./opencode.lock.json; config = ./opencode.json; }
{ eachSystem, pkgsOf }:
{
  # opencode.lock.json. Where it is not there yet, `nix run .#lock` writes it.
  lock,
  # The user's own configuration, plain JSON: compared with the lock. null: not compared.
  config ? null,
  # The same as a value.
  settings ? if config == null then { } else builtins.fromJSON (builtins.readFile config),
  # "online" or "offline", as mkOpencode has it; and whatever else that takes.
  ...
}@args:
let
  core = import ./lib;
  options = removeAttrs args [
    "config"
    "settings"
  ];
  isLocked = builtins.pathExists lock;
  locked = if isLocked then core.systems lock else [ ];
  # Of a set, what there is.
  present = set: removeAttrs set (builtins.filter (name: set.${name} == null) (builtins.attrNames set));
  lacking = core.covers { inherit lock settings; };

  outputsFor =
    system:
    let
      with-nixpkgs = import ./with-nixpkgs.nix (pkgsOf system);
      opencode =
        if lacking == [ ] then
          with-nixpkgs.package options
        else
          throw "opencode-cache: ${baseNameOf lock} does not cover the configuration:\n${
            builtins.concatStringsSep "\n" (map (line: "- ${line}") lacking)
          }\nRun `nix run .#lock`.";
    in
    {
      default = opencode;
      inherit opencode;
      opencode-unwrapped = opencode.unwrapped;
      opencode-cache = opencode.output;
    };

  ofTool =
    system:
    let
      with-nixpkgs = import ./with-nixpkgs.nix (pkgsOf system);
    in
    present {
      inherit (with-nixpkgs) tool;
      tool-prebuilt = with-nixpkgs.prebuilt;
      wrapper = core.mkWrapper {
        inherit system;
        inherit (with-nixpkgs) tool;
      };
    };

  withoutPin = system: ''
    opencode-cache: ${baseNameOf lock} has no OpenCode for ${system}; it has ${builtins.concatStringsSep ", " locked}.
    Add "${system}" to `systems` in opencode-cache.toml, and run `nix run .#lock`.'';

  # What `nix build` takes where nothing is named. It fails when it is built, not when it is evaluated: whoever checks the flake
  # on another system has nothing to do with it.
  notPinned =
    system:
    derivation {
      name = "opencode-not-pinned-for-${system}";
      inherit system;
      builder = "/bin/sh";
      args = [
        "-c"
        "echo \"$message\" >&2; exit 1"
      ];
      message = withoutPin system;
    };

  withoutLock = throw ''
    opencode-cache: there is no ${baseNameOf lock}.
    Run `nix run .#lock`; where this is a git repository, `git add` it: Nix sees only what git knows.'';
in
{
  packages = eachSystem (
    system:
    ofTool system
    // (
      if builtins.elem system locked then
        outputsFor system
      else
        { default = if isLocked then notPinned system else withoutLock; }
    )
  );

  # What is asked for by name and is not above: `nix build` looks here then, and `nix flake check` does not.
  legacyPackages = eachSystem (
    system:
    if builtins.elem system locked then
      { }
    else
      builtins.mapAttrs (_: _: if isLocked then throw (withoutPin system) else withoutLock) {
        opencode = null;
        opencode-unwrapped = null;
        opencode-cache = null;
      }
  );

  apps = eachSystem (
    system:
    {
      lock = {
        type = "app";
        program = "${import ./lock-app.nix (pkgsOf system) {
          settings = if args ? settings then settings else null;
          prebuilt = args.prebuilt or false;
        }}/bin/lock";
      };
    }
    // (
      if builtins.elem system locked then
        {
          default = {
            type = "app";
            program = "${(outputsFor system).opencode}/bin/opencode";
          };
        }
      else
        { }
    )
  );
}
