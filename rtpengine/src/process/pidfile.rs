//! The pid file.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::ProcessError;

/// A file with this process's id, removed when dropped unless another process has replaced it since.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
}

impl PidFile {
    /// Writes the file; a reader never sees a part of it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(path: &Path) -> Result<Self, ProcessError> {
        write_atomically(path).map_err(|source| ProcessError::PidFile { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned() })
    }

    /// Removes the file if it still names this process.
    pub fn remove(&self) {
        if fs::read_to_string(&self.path).is_ok_and(|text| text == contents())
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(target: "core", %error, "cannot remove the pid file {}", self.path.display());
        }
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        self.remove();
    }
}

fn contents() -> String {
    format!("{}\n", std::process::id())
}

fn write_atomically(path: &Path) -> io::Result<()> {
    let mut name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
    name.push(format!(".{}", std::process::id()));
    let temporary = path.with_file_name(name);
    fs::write(&temporary, contents())?;
    fs::rename(&temporary, path).inspect_err(|_| {
        let _only_litter = fs::remove_file(&temporary);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_names_us_and_goes_with_us() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pid");
        fs::write(&path, "1\n").unwrap();
        let file = PidFile::write(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), contents());
        drop(file);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_of_a_successor_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pid");
        let file = PidFile::write(&path).unwrap();
        fs::write(&path, "1\n").unwrap();
        drop(file);
        assert!(path.exists());
    }

    #[test]
    fn an_unwritable_place_is_named() {
        let error = PidFile::write(Path::new("/nonexistent/pid")).unwrap_err().to_string();
        assert!(error.contains("/nonexistent/pid") && error.contains("--pidfile"), "{error}");
    }
}
