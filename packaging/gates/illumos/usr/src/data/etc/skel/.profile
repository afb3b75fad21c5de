# a new user's profile
export PATH=/usr/bin
