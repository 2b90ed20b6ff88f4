"""Layers of a viewer: conversion from and to movies, and the layers that results are shown in."""
