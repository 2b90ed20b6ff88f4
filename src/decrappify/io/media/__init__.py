"""Reading and writing of videos with PyAV."""
