# What a configuration asks for and a lock does not have, a line for each; [ ] where it has everything. The rules are those of
# `opencode-cache lock --check` that need no more than both files: plugins, SDKs, providers by name.
{ lock, settings }:
let
  data = builtins.fromJSON (builtins.readFile lock);
  begins = prefix: text: builtins.substring 0 (builtins.stringLength prefix) text == prefix;
  isLocal =
    spec: begins "file://" spec || begins "." spec || begins "/" spec || builtins.match "[A-Za-z]:[/\\\\].*" spec != null;
  # Only OpenCode knows what it puts there.
  isReplaced = spec: builtins.match ".*[{](env|file):.*" spec != null;
  # Built into OpenCode, which passes them over (1.18.18).
  isPassedOver =
    spec:
    builtins.any (name: builtins.match ".*${name}.*" spec != null) [
      "opencode-openai-codex-auth"
      "opencode-copilot-auth"
    ];
  # `@scope/name/path`: what the binary has built in, or nobody.
  isPathInPackage = spec: builtins.match "@[^/]+/[^/]+/.+" spec != null;

  lacks = kind: spec: !builtins.hasAttr "${kind}:${spec}" data.exercises;

  plugins = map (entry: if builtins.isList entry then builtins.head entry else entry) (settings.plugin or [ ]);
  lackingPlugins = builtins.filter (
    spec: !isLocal spec && !isReplaced spec && !isPassedOver spec && lacks "plugin" spec
  ) plugins;

  providers = settings.provider or { };
  isWanted = id: !builtins.elem id (settings.disabled_providers or [ ]);
  names = builtins.filter isWanted (builtins.attrNames providers);
  isCaptured =
    npm: isLocal npm || isReplaced npm || isPathInPackage npm || !lacks "provider" npm;
  # A provider's own SDK, and those of its models.
  sdksOf =
    id:
    map (one: one.npm) (
      builtins.filter (one: one ? npm) (
        [ providers.${id} ]
        ++ map (model: model.provider or { }) (builtins.attrValues (providers.${id}.models or { }))
      )
    );
  lackingSdks = builtins.concatMap (
    id: map (npm: "${npm}, an SDK of provider.${id}") (builtins.filter (npm: !isCaptured npm) (sdksOf id))
  ) names;

  # By name alone: the lock keeps what OpenCode's catalogue said of each name.
  ofModel =
    key:
    let
      id = builtins.match "([^/]+)/.*" (settings.${key} or "");
    in
    if id == null || providers ? ${builtins.head id} then [ ] else id;
  byName =
    builtins.filter (id: !(providers.${id} ? npm)) names ++ ofModel "model" ++ ofModel "small_model";
  lackingNames = builtins.filter (
    id: isWanted id && !isReplaced id && !((data.providers or { }) ? ${id})
  ) byName;
in
map (spec: "plugin ${spec}") lackingPlugins
++ lackingSdks
++ map (id: "provider ${id}") lackingNames
