"""The lessons, a file each: what is asked, what is played with, why it is so, where the app uses it."""
