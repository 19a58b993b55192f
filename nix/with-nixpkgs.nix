# nix/lib with what nixpkgs has for it: our program compiled, the loader and the C library, npm's word for the registry.
pkgs:
let
  core = import ./lib;
  inherit (pkgs.stdenv) hostPlatform;
in
rec {
  tool = import ./tool.nix pkgs;
  # The same as it was released, or null.
  prebuilt = import ./prebuilt.nix pkgs ../tool.lock.json;
  toolOf =
    isPrebuilt:
    if !isPrebuilt then
      tool
    else if prebuilt == null then
      throw "opencode-cache: no release is pinned for ${hostPlatform.system}: leave out `prebuilt`, and the program is compiled"
    else
      prebuilt;

  # As nix/lib's mkOpencode; everything may be said otherwise. `prebuilt = true` takes our program as it was released.
  mkOpencode =
    args:
    core.mkOpencode (
      {
        inherit (hostPlatform) system;
        tool = toolOf (args.prebuilt or false);
        nodejs = pkgs.nodejs or null;
        cacert = pkgs.cacert or null;
        # Looked at only where the lock has a language server.
        unpackers = [
          pkgs.unzip
          pkgs.gnutar
          pkgs.gzip
          pkgs.xz
        ];
      }
      // pkgs.lib.optionalAttrs hostPlatform.isLinux {
        interpreter = pkgs.stdenv.cc.bintools.dynamicLinker;
        inherit (pkgs) patchelf;
        libraries = [ pkgs.stdenv.cc.cc.lib ];
      }
      // removeAttrs args [ "prebuilt" ]
    );

  # The same under the name and with the files that nixpkgs' `opencode` has.
  package =
    args:
    let
      output = mkOpencode args;
      binary = "${output.unwrapped}/bin/opencode";
    in
    pkgs.runCommand "opencode-${output.version}"
      {
        passthru = {
          inherit output;
          inherit (output) papers unwrapped wrapper version;
          # As in nixpkgs.
          jsonschema = "share/opencode/schema.json";
        };
        meta = {
          description = "OpenCode with everything that it downloads at run time";
          mainProgram = "opencode";
          license = pkgs.lib.licenses.mit;
        };
      }
      ''
        mkdir -p $out/bin $out/share/bash-completion/completions $out/share/zsh/site-functions $out/share/opencode
        ln -s ${output}/bin/opencode $out/bin/opencode
        export HOME=$PWD
        SHELL=bash ${binary} completion >$out/share/bash-completion/completions/opencode.bash
        SHELL=zsh ${binary} completion >$out/share/zsh/site-functions/_opencode
        # 1.0 has no such command, and ends well nevertheless.
        find $out/share -type f -size 0 -exec rm {} +
        # Of its programming interface's description, which is JSON Schema too, the part about configurations.
        ${binary} generate >api.json
        { printf '{"$schema":"https://json-schema.org/draft/2020-12/schema","$ref":"#/components/schemas/Config",'; tail -c +2 api.json; } >$out/share/opencode/schema.json
      '';
}
