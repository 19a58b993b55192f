{
  # Where you have opencode-cache from.
  inputs.opencode-cache.url = "git+https://forge.example/opencode-cache";

  outputs = { opencode-cache, ... }: opencode-cache.lib.flake { lock = ./opencode.lock.json; config = ./opencode.json; };
}
