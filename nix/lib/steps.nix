# One derivation that our own program builds: what it is to do is the attribute `spec`, as JSON in a file, since a variable holds
# no more than 128 kB.
{ system, tool }:
{
  name,
  step,
  spec,
  more ? { },
}:
derivation (
  {
    inherit name system;
    builder = "${tool}/bin/opencode-cache";
    args = [
      "in-derivation"
      step
      "--system"
      system
    ];
    spec = builtins.toJSON spec;
    passAsFile = [ "spec" ];
  }
  // more
)
