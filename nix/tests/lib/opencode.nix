# What nix/tests/lib/run builds: the committed lock's OpenCode by nix/lib, from a registry on loopback.
{
  # A folder with bin/opencode-cache.
  tool,
  # A Nix file: nixpkgs, or what stands in for it in tests.
  packages,
  # null, or an address.
  registry,
  # null, or a folder with bin/npm.
  nodejs ? null,
  lock ? ../../../opencode.lock.json,
  system ? "x86_64-linux",
  variant ? null,
}:
let
  lib = import ../../lib;
  pkgs = import packages { inherit system; };
in
lib.mkOpencode {
  inherit system registry variant;
  tool = builtins.path {
    path = tool;
    name = "opencode-cache-tool";
  };
  lock = /. + lock;
  nodejs =
    if nodejs == null then
      null
    else
      builtins.path {
        path = nodejs;
        name = "nodejs";
      };
  interpreter = "${pkgs.glibc}/lib/ld-linux-x86-64.so.2";
  inherit (pkgs) patchelf;
  libraries = [ pkgs.stdenv.cc.cc.lib ];
  profile = "offline";
}
