"""What spoils a picture, each in five strengths: noise, blur, weather, digital loss, and where things stand."""
