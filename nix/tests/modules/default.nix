# Each folder here is a case: case.nix says which module with which configuration, expected.json is everything that comes of
# it. → case → derivation, which is there only where the two are the same.
#
# `eval.nix` stands in for nixpkgs' module system, so that it takes no nixpkgs. A case that comes
# out otherwise prints both.
{ self, pkgs }:
let
  evaluate = import ./eval.nix;
  folders = builtins.filter (name: (builtins.readDir ./.).${name} == "directory") (
    builtins.attrNames (builtins.readDir ./.)
  );

  # Store paths differ from machine to machine; what they are called does not.
  nameless =
    text:
    builtins.concatStringsSep "/nix/store/…-" (
      builtins.filter builtins.isString (builtins.split "/nix/store/[0-9a-z]{32}-" text)
    );

  rendered =
    name:
    let
      case = import (./. + "/${name}/case.nix");
      modules = {
        nixos = self.nixosModules.default;
        home = self.homeModules.default;
      };
      result = evaluate {
        module = modules.${case.module};
        inherit (case) config;
        inherit pkgs;
        declared = import ./declared.nix case.module;
      };
      cfg = result.programs.opencode-cache;
      # Also what nothing is rendered of has a type.
      typed = builtins.all (value: builtins.seq value true) (builtins.attrValues cfg);
      told = builtins.tryEval (builtins.seq typed (builtins.deepSeq (render result) (render result)));
    in
    if told.success then
      told.value
      // (if case.config.programs.opencode-cache.auth.secretFile or null == null then { } else { script = lay cfg; })
    else
      { refused = true; };

  lay =
    cfg: nameless (import ../../modules/lay-auth.nix { inherit pkgs; inherit (cfg.auth) secretFile; }).text;

  render =
    result:
    let
      plain =
        value:
        if builtins.isString value then
          nameless value
        else if value ? type && value.type == "derivation" then
          builtins.replaceStrings [ (self.lib.version ../../../opencode.lock.json) ] [ "VERSION" ] value.name
        else if builtins.isAttrs value then
          builtins.mapAttrs (_: plain) value
        else if builtins.isList value then
          map plain value
        else
          value;
      failed = builtins.filter (one: !one.assertion) result.assertions;
    in
    plain (builtins.removeAttrs result [ "programs" "assertions" ])
    // {
      nix-ld = plain (result.programs.nix-ld or null);
      writeLock = plain result.programs.opencode-cache.writeLock;
      failed = map (one: one.message) failed;
    };

  check =
    name:
    let
      got = rendered name;
      expected = builtins.fromJSON (builtins.readFile (./. + "/${name}/expected.json"));
    in
    if got == expected then
      pkgs.runCommand "opencode-cache-module-${name}" { } "echo ${name} >$out"
    else
      throw "nix/tests/modules/${name}: this comes of it:\n${builtins.toJSON got}\nand this was expected:\n${builtins.toJSON expected}";
in
builtins.listToAttrs (
  map (name: {
    name = "module-${name}";
    value = check name;
  }) folders
)
// {
  module-auth = import ./auth.nix { inherit pkgs; };
}
