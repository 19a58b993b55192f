{
  description = "What of nixpkgs our flake uses, made of a few Debian packages: for tests without a network";

  outputs =
    _:
    let
      lib = import ./lib.nix;
    in
    {
      inherit lib;
      legacyPackages = lib.genAttrs [
        "aarch64-darwin"
        "aarch64-linux"
        "x86_64-darwin"
        "x86_64-linux"
      ] (system: import ./packages.nix { inherit system; });
    };
}
