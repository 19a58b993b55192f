# Pins → fixed-output derivations, one for each file. The hash is the lock's, so whoever serves the bytes, and by whatever
# address, nothing that is built from them changes.
{
  registry,
  nodejs,
  cacert,
  impureEnvVars,
  step,
}:
let
  # Nix has no such hash; npm never gave one to a package that OpenCode asks for.
  known = pin: builtins.match "sha(1|256|512)-.*" pin.integrity != null;
in
rec {
  one =
    pin:
    if !known pin then
      throw "opencode-cache: Nix cannot check ${pin.integrity} of ${pin.name}: relock from a registry that gives sha512"
    else
      step {
        inherit (pin) name;
        step = "fetch-one";
        spec = {
          inherit (pin) integrity size;
          package = pin.package or null;
          url = pin.url or null;
          inherit registry;
          nodejs = if nodejs == null then null else "${nodejs}";
        };
        more = {
          outputHash = pin.integrity;
          outputHashMode = "flat";
          preferLocalBuild = true;
          impureEnvVars = [
            "all_proxy"
            "http_proxy"
            "https_proxy"
            "no_proxy"
            "ALL_PROXY"
            "HTTP_PROXY"
            "HTTPS_PROXY"
            "NO_PROXY"
            "NIX_SSL_CERT_FILE"
            "NODE_EXTRA_CA_CERTS"
            "npm_config_registry"
            "npm_config_userconfig"
            "npm_config_cafile"
          ]
          ++ impureEnvVars;
        }
        // (if cacert == null then { } else { SSL_CERT_FILE = "${cacert}/etc/ssl/certs/ca-bundle.crt"; });
      };

  # By hash.
  all =
    pins:
    builtins.listToAttrs (
      map (pin: {
        name = pin.integrity;
        value = "${one pin}";
      }) pins
    );
}
