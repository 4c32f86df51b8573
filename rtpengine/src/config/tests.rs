//! What the command line and the file together make.
