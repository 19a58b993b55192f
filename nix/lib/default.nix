# What makes an OpenCode that needs no network out of a lock: plain builtins, nothing of nixpkgs'. docs/NIX.md tells how to use it.
#
# Every derivation's builder is opencode-cache itself, statically linked: no shell, no stdenv. Evaluation reads the lock and
# builds nothing.
let
  readLock = import ./lock.nix;
  steps = import ./steps.nix;

  # One derivation for each pinned file and each exercise of a lock, for one system; before 1.14 one for all plugins and SDKs.
  mkCache =
    {
      # The system to build for, and to build on.
      system,
      # What has bin/opencode-cache, statically linked, for that system.
      tool,
      # opencode.lock.json; opencode.catalogue.json.zst is found beside it.
      lock,
      # OpenCode's binary, ready to run: what has bin/opencode. null: the lock's release, with `interpreter`.
      opencode ? null,
      # Another build of the release: "baseline" (processors without AVX2), "musl", "baseline-musl".
      variant ? null,
      # The npm registry. null: the variable npm_config_registry of whoever builds, then what nodejs' npm says.
      registry ? null,
      # What has bin/npm.
      nodejs ? null,
      # What has etc/ssl/certs/ca-bundle.crt: a build sees none of the machine's authorities.
      cacert ? null,
      # The program interpreter that the release gets, e.g. "${pkgs.glibc}/lib/ld-linux-x86-64.so.2", and what sets it.
      interpreter ? null,
      patchelf ? null,
      # What OpenCode unpacks released language servers with, each with its bin/: unzip, tar, gzip, xz.
      unpackers ? [ ],
      # Store paths whose lib/ has what native modules need and glibc does not have: libstdc++, libgcc_s.
      libraries ? [ ],
      # Further environment variables of whoever builds that downloads may depend on.
      impureEnvVars ? [ ],
    }:
    let
      read = readLock { inherit lock system variant; };
      step = steps { inherit system tool; };
      fetchOne = import ./fetch-one.nix {
        inherit
          registry
          nodejs
          cacert
          impureEnvVars
          step
          ;
      };
      isLinux = builtins.match ".*-linux" system != null;
      place = value: if value == null then null else "${value}";
    in
    rec {
      inherit read;
      inherit (read) version;

      # The files for exercises, by exercise; each by its hash.
      artifacts = builtins.mapAttrs (_: fetchOne.all) read.pinsOf;

      release = fetchOne.one read.release;

      unwrapped =
        if opencode != null then
          opencode
        else if isLinux && interpreter == null then
          throw "opencode-cache: OpenCode for ${system} needs an interpreter: say `interpreter = \"\${pkgs.glibc}/lib/…\"` and `patchelf = pkgs.patchelf`"
        else
          step {
            name = "opencode-unwrapped-${version}";
            step = "unpack";
            spec = {
              archive = "${release}";
              form = read.release.archive;
              member = read.release.binary;
              inherit version interpreter;
              patchelf = place patchelf;
            };
          };

      # Each depends on what the lock says of it and on nothing else: another plugin makes none of the others run again, but
      # where they share a tree (`shared`).
      exercises = builtins.mapAttrs (
        name: slice:
        step {
          name = "opencode-exercise-${read.safe name}";
          step = "exercise";
          spec = {
            lock = slice;
            inherit system;
            binary = "${unwrapped}/bin/opencode";
            artifacts = artifacts.${name};
            # There OpenCode loads the plugins that it installs.
            libraries = if name == "shared" then map place libraries else [ ];
          };
          more = {
            __darwinAllowLocalNetworking = true;
          }
          // (
            if builtins.any (one: one.kind == "language-server") (builtins.attrValues slice.exercises) then
              { PATH = builtins.concatStringsSep ":" (map (place: "${place}/bin") unpackers); }
            else
              { }
          );
        }
      ) read.slices;
    };

  # Wrapper, binary and cache as one output, laid out as `opencode-cache build` does it without Nix.
  mkOpencode =
    args@{
      system,
      tool,
      # "online": OpenCode may add what was not captured. "offline": nothing tries.
      profile ? "online",
      # As above.
      libraries ? [ ],
      ...
    }:
    let
      cache = mkCache (
        builtins.removeAttrs args [ "profile" ]
      );
      inherit (cache) read;
      step = steps { inherit system tool; };
      fetchOne = import ./fetch-one.nix {
        registry = args.registry or null;
        nodejs = args.nodejs or null;
        cacert = args.cacert or null;
        impureEnvVars = args.impureEnvVars or [ ];
        inherit step;
      };
      artifacts = fetchOne.all read.pinsOfOutput;
      output = step {
        # The wrapper knows links of ours by this name.
        name = "opencode-cache";
        step = "output";
        spec = {
          lock = "${read.file}";
          inherit system;
          inherit (read) catalogue;
          profile = if profile == null then "online" else profile;
          binary = "${cache.unwrapped}/bin/opencode";
          exercises = map (name: "${cache.exercises.${name}}") (builtins.attrNames cache.exercises);
          inherit artifacts;
          libraries = map (place: "${place}") libraries;
        };
        more.disallowedReferences = [
          "${tool}"
          "${cache.unwrapped}"
        ];
      };
    in
    output
    // {
      inherit cache;
      inherit (cache) exercises unwrapped version;
      inherit (read) lock;
      wrapper = mkWrapper { inherit system tool; };
      # SBOMs, the licences' texts and a page, at share/doc/opencode-cache.
      papers = step {
        name = "opencode-papers";
        step = "papers";
        spec = {
          output = "${output}";
          lock = "${read.file}";
        };
      };
      override = more: mkOpencode (args // more);
    };

  # The launcher alone.
  mkWrapper =
    { system, tool }:
    steps { inherit system tool; } {
      name = "opencode-wrapper";
      step = "wrapper";
      spec = { };
    };
in
{
  inherit mkCache mkOpencode mkWrapper;
  # What a configuration asks for and a lock lacks.
  covers = import ./covers.nix;
  # The systems that a lock has OpenCode for.
  systems = lock: builtins.attrNames (builtins.fromJSON (builtins.readFile lock)).systems;
  # The version of OpenCode that a lock pins.
  version = lock: (builtins.fromJSON (builtins.readFile lock)).opencode;
}
