# A module system small enough to read: options with types and defaults, definitions with mkIf and mkMerge, lists added up,
# attribute sets joined. What is defined and not declared, or of the wrong type, is an error.
{
  module,
  config,
  pkgs,
  declared,
}:
let
  isOption = value: (value._type or null) == "option";
  type = name: check: merge: { inherit name check merge; };
  only =
    path: values:
    if builtins.length values == 1 then builtins.head values else throw "${path}: defined more than once";

  lib = pkgs.lib // {
    mkOption = option: option // { _type = "option"; };
    mkEnableOption =
      what:
      lib.mkOption {
        type = lib.types.bool;
        default = false;
        description = "Whether to have ${what}.";
      };
    mkIf = condition: content: {
      _type = "if";
      inherit condition content;
    };
    mkMerge = contents: {
      _type = "merge";
      inherit contents;
    };
    # One definition of each is enough here.
    mkDefault = value: value;
    hm.dag.entryAfter = after: data: {
      inherit after data;
      before = [ ];
    };
    types = {
      bool = type "a truth value" builtins.isBool only;
      str = type "a string" builtins.isString only;
      path = type "a path" (value: builtins.isPath value || lib.hasPrefix "/" (toString value)) only;
      package = type "a package" (value: (value.type or null) == "derivation") only;
      anything = type "anything" (_: true) only;
      enum = values: type "one of ${builtins.toJSON values}" (value: builtins.elem value values) only;
      nullOr = inner: type "null or ${inner.name}" (value: value == null || inner.check value) only;
      listOf =
        inner:
        type "a list of ${inner.name}" (value: builtins.isList value && builtins.all inner.check value) (
          _: builtins.concatLists
        );
      attrsOf =
        inner: type "a set of ${inner.name}" builtins.isAttrs (_: builtins.foldl' (all: more: all // more) { });
    };
  };

  given = pkgs // {
    formats.json = _: { type = lib.types.attrsOf lib.types.anything; };
  };
  made = module {
    config = result;
    inherit lib;
    pkgs = given;
  };
  join =
    one: other:
    one
    // builtins.mapAttrs (
      name: value: if one ? ${name} && !isOption value then join one.${name} value else value
    ) other;
  options = join (declared lib) made.options;

  # Values at a path; a condition is looked at only where it matters, or it could not depend on other options.
  at =
    path: definition:
    if (definition._type or null) == "merge" then
      builtins.concatMap (at path) definition.contents
    else if (definition._type or null) == "if" then
      let
        found = at path definition.content;
      in
      if found == [ ] || !definition.condition then [ ] else found
    else if path == [ ] then
      [ definition ]
    else if definition ? ${builtins.head path} then
      at (builtins.tail path) definition.${builtins.head path}
    else
      [ ];
  definitions = {
    _type = "merge";
    contents = [
      made.config
      config
    ];
  };

  value =
    path: option:
    let
      name = builtins.concatStringsSep "." path;
      values = at path definitions;
      checked = map (
        one: if option.type.check one then one else throw "${name}: not ${option.type.name}"
      ) values;
    in
    if values == [ ] then
      option.default or (throw "${name}: not defined, and has no default")
    else if option.readOnly or false then
      throw "${name}: cannot be set"
    else
      option.type.merge name checked;
  walk = path: builtins.mapAttrs (
    name: option:
    if isOption option then value (path ++ [ name ]) option else walk (path ++ [ name ]) option
  );

  # Names that nobody declared.
  strangers =
    path: options: definition:
    if isOption options then
      [ ]
    else if (definition._type or null) == "merge" then
      builtins.concatMap (strangers path options) definition.contents
    else if (definition._type or null) == "if" then
      strangers path options definition.content
    else
      builtins.concatMap (
        name:
        if options ? ${name} then
          strangers "${path}.${name}" options.${name} definition.${name}
        else
          [ "${path}.${name}" ]
      ) (builtins.attrNames definition);
  unknown = strangers "config" options definitions;
  result = walk [ ] options;
in
if unknown == [ ] then result else throw "no such options: ${builtins.concatStringsSep ", " unknown}"
