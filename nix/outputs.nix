# The flake's outputs: a table of contents. What each is stands in the file that it is imported from.
{ self, nixpkgs, ... }:
let
  inherit (nixpkgs) lib;
  eachSystem = lib.genAttrs [
    "aarch64-darwin"
    "aarch64-linux"
    "x86_64-darwin"
    "x86_64-linux"
  ];
  pkgsOf = system: nixpkgs.legacyPackages.${system};
  ours = import ./for-lock.nix { inherit eachSystem pkgsOf; } { lock = ../opencode.lock.json; };
in
{
  inherit (ours) packages legacyPackages apps;

  # What users' flakes call: `lib.flake`, and nix/lib for who wants no nixpkgs.
  lib = import ./lib // {
    flake = import ./for-lock.nix { inherit eachSystem pkgsOf; };
    with-nixpkgs = import ./with-nixpkgs.nix;
  };

  overlays.default = import ./overlay.nix;
  nixosModules.default = import ./modules/nixos.nix { inherit self; };
  homeModules.default = import ./modules/home.nix { inherit self; };

  # Everything that can be built, and each folder of nix/tests/modules.
  checks = eachSystem (
    system: self.packages.${system} // import ./tests/modules { inherit self; pkgs = pkgsOf system; }
  );

  devShells = eachSystem (system: {
    default = import ./shell.nix (pkgsOf system);
  });
  formatter = eachSystem (system: (pkgsOf system).nixfmt-tree);

  templates.default = {
    path = ./templates/default;
    description = "An OpenCode of your own: opencode.json, its lock, and nothing fetched at run time";
  };
}
