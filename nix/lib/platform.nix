# npm's rule for which systems a package fits: `os`, `cpu` and `libc` of its manifest, each a text or a list, "!" negates.
system:
let
  words =
    {
      x86_64-linux = {
        os = "linux";
        cpu = "x64";
        libc = "glibc";
      };
      aarch64-linux = {
        os = "linux";
        cpu = "arm64";
        libc = "glibc";
      };
      x86_64-darwin = {
        os = "darwin";
        cpu = "x64";
        # macOS has none that npm knows: what wants one does not fit.
        libc = "none";
      };
      aarch64-darwin = {
        os = "darwin";
        cpu = "arm64";
        libc = "none";
      };
    }
    .${system} or (throw "opencode-cache: OpenCode is not released for ${system}");

  fits =
    wanted: value:
    let
      list = if builtins.isList wanted then wanted else [ wanted ];
      negated = builtins.filter (word: builtins.substring 0 1 word == "!") list;
      plain = builtins.filter (word: builtins.substring 0 1 word != "!") list;
    in
    list == [ "any" ]
    || (!builtins.elem "!${value}" negated && (plain == [ ] || builtins.elem value plain));
in
{
  allows =
    manifest:
    builtins.all (key: !(manifest ? ${key}) || fits manifest.${key} words.${key}) (builtins.attrNames words);
}
