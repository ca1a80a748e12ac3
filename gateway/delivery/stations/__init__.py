"""Connections that receive the commands of stations, one for each station."""
