{
  description = "OpenCode that starts and answers with no network at all";

  # For the C library and the loader of OpenCode's binary, and to compile our own program; nix/lib itself needs none of it.
  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-25.11";

  outputs = inputs: import ./nix/outputs.nix inputs;
}
