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

  # Before 1.14 OpenCode keeps one tree for all plugins and SDKs: what fills it is one step (opencode/era.rs).
  numbers = builtins.match "([0-9]+)[.]([0-9]+)[.].*" data.opencode;
  number = at: builtins.fromJSON (builtins.elemAt numbers at);
  hasOneTree = numbers != null && number 0 == 1 && number 1 < 14;
  sharesTree =
    exercise:
    hasOneTree
    && builtins.elem exercise.kind [
      "plugin"
      "provider"
    ];
  sharing = builtins.filter (name: sharesTree replayed.${name}) (builtins.attrNames replayed);

  # step → the names of the exercises that it performs
  performed =
    builtins.mapAttrs (name: _: [ name ]) (removeAttrs replayed sharing)
    // (if sharing == [ ] then { } else { shared = sharing; });

  # Of some exercises, what they resolved, each once.
  resolvedBy =
    names:
    builtins.attrNames (only (builtins.concatMap (name: replayed.${name}.packages) names));

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

  # step → a lock of its exercises alone
  slices = builtins.mapAttrs (_: names: {
    inherit (data) version opencode systems;
    exercises = builtins.intersectAttrs (only names) replayed;
    packages = builtins.intersectAttrs (only (resolvedBy names)) data.packages;
    known = builtins.intersectAttrs (only (resolvedBy names)) data.known;
    inherit downloads;
    catalogue = null;
    models = { };
  }) performed;

  # step → what its replay serves
  pinsOf = builtins.mapAttrs (
    _: names:
    map package (builtins.filter (id: has id data.packages && isFor id) (resolvedBy names)) ++ files
  ) performed;

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
