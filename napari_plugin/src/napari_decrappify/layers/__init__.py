"""Layers of a viewer: conversion from and to movies, and layers for results."""
