# nixpkgs' attribute `opencode`, from the committed lock: home-manager's `programs.opencode` and everybody else find it there.
# `opencode.override`-like changes: `opencode-cache.package { lock = …; }`.
final: _:
let
  with-nixpkgs = import ./with-nixpkgs.nix final;
in
{
  opencode = with-nixpkgs.package { lock = ../opencode.lock.json; };
  opencode-cache = with-nixpkgs.tool // {
    inherit (with-nixpkgs) package mkOpencode;
  };
}
