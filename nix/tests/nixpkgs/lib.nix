# Of nixpkgs' lib, what our flake and modules use; written anew.
rec {
  genAttrs =
    names: value:
    builtins.listToAttrs (
      map (name: {
        inherit name;
        value = value name;
      }) names
    );
  hasPrefix = prefix: text: builtins.substring 0 (builtins.stringLength prefix) text == prefix;
  hasSuffix =
    suffix: text:
    let
      length = builtins.stringLength text;
      ending = builtins.stringLength suffix;
    in
    length >= ending && builtins.substring (length - ending) ending text == suffix;
  optional = condition: value: if condition then [ value ] else [ ];
  optionals = condition: values: if condition then values else [ ];
  optionalAttrs = condition: set: if condition then set else { };
  filterAttrs =
    keep: set:
    builtins.listToAttrs (
      builtins.filter (pair: keep pair.name pair.value) (
        map (name: {
          inherit name;
          value = set.${name};
        }) (builtins.attrNames set)
      )
    );
  makeLibraryPath = places: builtins.concatStringsSep ":" (map (place: "${place}/lib") places);
  licenses.mit = {
    spdxId = "MIT";
    free = true;
  };
}
