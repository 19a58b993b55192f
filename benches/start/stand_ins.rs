//! What is started, and what could stand where the wrapper stands. Made here and now, from a few lines each.

use std::error::Error;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::scene::Scene;

/// The program in OpenCode's place: no C library, nothing but an end.
const TARGET: &str = r#"
#if defined(__x86_64__)
__asm__(".globl _start\n_start: mov $231, %eax\n xor %edi, %edi\n syscall\n");
#elif defined(__aarch64__)
__asm__(".globl _start\n_start: mov x8, #94\n mov x0, #0\n svc #0\n");
#endif
"#;

/// The least that any wrapper does: arguments and environment as they came, one system call.
const EXECVE: &str = r#"
const char target[] = TARGET;
#if defined(__x86_64__)
__asm__(".globl _start\n_start: mov (%rsp), %rax\n lea 8(%rsp), %rsi\n lea 16(%rsp,%rax,8), %rdx\n"
        " lea target(%rip), %rdi\n mov $59, %eax\n syscall\n mov $231, %eax\n mov $127, %edi\n syscall\n");
#elif defined(__aarch64__)
__asm__(".globl _start\n_start: ldr x3, [sp]\n add x1, sp, #8\n add x2, x1, x3, lsl #3\n add x2, x2, #8\n"
        " adr x0, target\n mov x8, #221\n svc #0\n mov x8, #94\n mov x0, #127\n svc #0\n");
#endif
"#;

/// The same in ordinary C, which brings its library's start along.
const C: &str = r#"
#include <unistd.h>
int main(int argc, char **argv) { (void)argc; execv(TARGET, argv); return 127; }
"#;

/// Puts the program in OpenCode's place.
pub fn target(scene: &Scene) -> Result<(), Box<dyn Error>> {
    compile(TARGET, scene, &scene.target(), &FREESTANDING)
}

/// Becomes the target and does nothing else, without a C library.
pub fn execve(scene: &Scene) -> Result<PathBuf, Box<dyn Error>> {
    let program = scene.beside("execve");
    compile(EXECVE, scene, &program, &FREESTANDING)?;
    Ok(program)
}

/// Becomes the target and does nothing else.
pub fn c(scene: &Scene) -> Result<PathBuf, Box<dyn Error>> {
    let program = scene.beside("c");
    compile(C, scene, &program, &["-static"])?;
    Ok(program)
}

const FREESTANDING: [&str; 3] = ["-static", "-nostdlib", "-ffreestanding"];

fn compile(source: &str, scene: &Scene, program: &Path, options: &[&str]) -> Result<(), Box<dyn Error>> {
    let file = scene.beside("source.c");
    fs::write(&file, source)?;
    let mut compiler = Command::new("cc");
    compiler.arg("-O2").args(options).arg(format!("-DTARGET={:?}", scene.target())).arg("-o").arg(program);
    let status = compiler.arg(file).status()?;
    if status.success() { Ok(()) } else { Err(format!("cc: {status}").into()) }
}

/// A shell script that does what the wrapper of this project's ancestor did: all links anew at each start, whatever stands there.
pub fn bash(scene: &Scene) -> Result<PathBuf, Box<dyn Error>> {
    let program = scene.beside("bash");
    let (output, target) = (scene.output().display(), scene.target());
    let script = format!(
        r#"#!{}
set -e
home="$HOME/.cache-nix"
mkdir -p "$home/opencode/packages/@ai-sdk"
for package in "{output}"/cache/packages/@ai-sdk/*; do
    ln -sfn "$package" "$home/opencode/packages/@ai-sdk/${{package##*/}}"
done
cp -f "{output}/cache/models.json" "$home/opencode/models.json"
export XDG_CACHE_HOME="$home"
exec "{}" "$@"
"#,
        bash_itself()?.display(),
        target.display()
    );
    fs::write(&program, script)?;
    fs::set_permissions(&program, Permissions::from_mode(0o755))?;
    Ok(program)
}

fn bash_itself() -> Result<PathBuf, Box<dyn Error>> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut found = std::env::split_paths(&path).map(|directory| directory.join("bash"));
    Ok(found.find(|path| path.is_file()).ok_or("bash is not on PATH")?)
}
