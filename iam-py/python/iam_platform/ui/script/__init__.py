"""What Streamlit runs for each session, away from the folder of the pages."""
