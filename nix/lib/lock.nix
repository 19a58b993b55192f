# Reads a lock: what has to be fetched for a system, and the part of it that each exercise is about. docs/LOCK.md is the format.
{
  lock,
  system,
  variant ? null,
}:
let
  text = builtins.readFile lock;
  data = builtins.fromJSON text;
  platform = import ./platform.nix system;

  # A store path may be called so.
  safe =
    name:
    let
      parts = builtins.split "[^a-zA-Z0-9+._?=-]+" name;
      joined = builtins.concatStringsSep "-" (builtins.filter (part: builtins.isString part && part != "") parts);
    in
    builtins.substring 0 120 joined;

  has = name: attrs: builtins.hasAttr name attrs;

  missing =
    what:
    throw ''
      opencode-cache: ${baseNameOf (toString lock)} has no ${what} for ${system}; it has ${builtins.concatStringsSep ", " (builtins.attrNames data.systems)}.
      Add "${system}" to `systems` in opencode-cache.toml, and run `opencode-cache lock`.'';

  artifact =
    pin:
    pin
    // (
      if pin.source == "npm" then
        {
          name = safe "${pin.package}-${pin.version}.tgz";
          package = "${pin.package}@${pin.version}";
        }
      else if pin.source == "github" then
        {
          name = safe pin.asset;
          url = "https://${repository pin.repository}/releases/download/v${pin.version}/${pin.asset}";
        }
      else
        { name = safe (baseNameOf pin.url); }
    );

  # A repository names its host where it is not on the public GitHub.
  repository = name: if builtins.match "[^/]+/[^/]+" name == null then name else "github.com/${name}";

  package = id: {
    name = safe "${id}.tgz";
    package = id;
    inherit (data.packages.${id}) integrity size;
  };

  # Where a file was found by a redirect, the first address is asked again: the last one may have been made for that day.
  downloads = data.downloads or { };
  redirects = builtins.filter (url: has "location" downloads.${url}) (builtins.attrNames downloads);
  targets = map (url: downloads.${url}.location) redirects;
  end = url: if has "location" (downloads.${url} or { }) then end downloads.${url}.location else url;
  firsts = builtins.listToAttrs (
    map (url: {
      name = end url;
      value = url;
    }) (builtins.filter (url: !builtins.elem url targets) redirects)
  );
  files = map (url: {
    name = safe (baseNameOf url);
    url = firsts.${url} or url;
    inherit (downloads.${url}) integrity size;
  }) (builtins.filter (url: has "integrity" downloads.${url}) (builtins.attrNames downloads));

  # Those that leave something. What is built into OpenCode has no packages; grammars are served to whom they are for.
  isReplayed =
    exercise:
    builtins.elem exercise.kind [
      "command"
      "language-server"
    ]
    || (exercise.packages != [ ] && exercise.kind != "grammars");
  replayed = builtins.listToAttrs (
    builtins.filter (one: isReplayed one.value) (
      map (name: {
        inherit name;
        value = data.exercises.${name};
      }) (builtins.attrNames data.exercises)
    )
  );

  only = ids: builtins.listToAttrs (map (name: { inherit name; value = null; }) ids);

  isFor =
    id:
    let
      one = data.packages.${id};
    in
    builtins.elem system (one.systems or [ system ]) && platform.allows one.manifest;

  # opencode.lock.json → opencode.catalogue.json.zst, as the program names it.
  stem =
    let
      base = baseNameOf (toString lock);
      without = builtins.match "(.*)\\.json" base;
      shorter = if without == null then base else builtins.head without;
      lockless = builtins.match "(.*)\\.lock" shorter;
    in
    if lockless == null then shorter else builtins.head lockless;
  catalogueFile = dirOf lock + "/${stem}.catalogue.json.zst";
in
{
  inherit lock safe;
  version = data.opencode;

  # The lock as it was read, byte for byte.
  file = builtins.toFile "opencode.lock.json" text;

  catalogue =
    if (data.catalogue or null) == null then
      null
    else if builtins.pathExists catalogueFile then
      "${
        builtins.path {
          path = catalogueFile;
          name = "opencode.catalogue.json.zst";
        }
      }"
    else
      throw "opencode-cache: the lock pins a catalogue of models, and ${baseNameOf catalogueFile} is not beside it: add it to version control, or run `opencode-cache lock --refresh`";

  release =
    if !has system data.systems then
      missing "OpenCode"
    else if variant == null || variant == "default" then
      artifact data.systems.${system}
    else if has system (data.variants.${variant} or { }) then
      artifact data.variants.${variant}.${system}
    else
      throw ''
        opencode-cache: ${baseNameOf (toString lock)} has no variant ${variant} for ${system}.
        Add "${variant}" to `variants` in opencode-cache.toml, and run `opencode-cache lock`.'';

  # exercise → a lock of that exercise alone
  slices = builtins.mapAttrs (name: exercise: {
    inherit (data) version opencode systems;
    exercises.${name} = exercise;
    packages = builtins.intersectAttrs (only exercise.packages) data.packages;
    known = builtins.intersectAttrs (only exercise.packages) data.known;
    inherit downloads;
    catalogue = null;
    models = { };
  }) replayed;

  # exercise → what its replay serves
  pinsOf = builtins.mapAttrs (
    _: exercise:
    map package (builtins.filter (id: has id data.packages && isFor id) exercise.packages) ++ files
  ) replayed;

  # What an output holds beside trees: programs, and what grammars were downloaded.
  pinsOfOutput =
    builtins.concatMap (
      name:
      let
        one = data.programs.${name};
      in
      if has system one then [ (artifact one.${system}) ] else [ ]
    ) (builtins.attrNames (data.programs or { }))
    ++ (
      if builtins.any (name: data.exercises.${name}.kind == "grammars") (builtins.attrNames data.exercises) then
        files
      else
        [ ]
    );
}
