# Our own program, compiled. The wrapper is inside it.
pkgs:
let
  manifest = builtins.fromTOML (builtins.readFile ../Cargo.toml);
  # What cargo reads; documents and Nix files make nothing be compiled again.
  needed = [
    "Cargo.lock"
    "Cargo.toml"
    "benches"
    "build.rs"
    "crates"
    "fixtures"
    "opencode.lock.json"
    "src"
    "tests"
  ];
  root = toString ../.;
in
pkgs.rustPlatform.buildRustPackage {
  pname = "opencode-cache";
  inherit (manifest.workspace.package) version;
  src = builtins.path {
    path = ../.;
    name = "opencode-cache-source";
    filter = path: _: dirOf path != root || builtins.elem (baseNameOf path) needed;
  };
  cargoLock.lockFile = ../Cargo.lock;
  # They run the real OpenCode, from a registry.
  doCheck = false;
  meta = {
    inherit (manifest.package) description;
    mainProgram = "opencode-cache";
    license = pkgs.lib.licenses.mit;
  };
}
