"""Given and family names of sampled people, from many parts of the world, paired at random."""


def listed(text: str, mark: str | None = None) -> tuple[str, ...]:
    """The entries of a text, separated by white space or by a mark."""
    return tuple(entry.strip() for entry in text.split(mark))


FIRST_NAMES = listed(
    """
    Maria James Amina Wei Sofia Mohammed Priya Lucas Yuki Fatima Daniel Ngozi Elena Omar Hannah Diego Aisha Pavel
    Grace Hiroshi Leila Samuel Ana Kwame Ingrid Rafael Mei Tomasz Zainab Oliver Lucia Arjun Freya Ibrahim Chloe Mateo
    Nadia Erik Thandiwe Joao Sara Viktor Rosa Kenji Miriam Andre Parisa Liam Olga Tariq Clara Jamal Linh Marco Esther
    Stefan Kavita Hugo Salma Peter Adaeze Niklas Carmen Rajesh Astrid Yusuf Julia Bogdan Nia Felix Shirin Antonio
    Akua Henrik Jiwoo Manuel Layla George Svetlana Dmitri Imani Jorge Tuula Karim Beatriz Minh Abena Anders Noor
    Ivan Camila Feng Ruth Sanjay Greta Mustafa Zoe Piotr Chiamaka Simon Valentina Takeshi Deborah Emeka Lena Bashir
    Isabel Cheng Naomi Goran Anjali Paul Marisol Hassan Emma Kofi Yasmin Lars Teresa Vikram Judith Sergei Alma Tunde
    Marta Bilal Alice Ravi Katarina Jonas Farida Miguel Ayumi Patrick Zanele Milan Gloria Idris Agnes Thiago Nilufar
    Walter Paloma Dong Rachel Chidi Helena Murat Irene Sandeep Vera Abdul Lucy Gustavo Hana Martin Oluchi Janek Dolores
    Amir Edith Rohan Sigrid Youssef Margaret Bao Celine Kamau Petra Anil Bianca Hamza Louise Rodrigo Sakura Thomas
    Wanjiru Emil Nora Suleiman Eva Pranav Matilda Ahmed Joan Luka Xiomara Jin Ottilie Malik Susan Enzo Lakshmi Axel
    Mariam Theo Ximena Haruto Barbara Sipho Ewa Leon Pilar Tenzin Dorothy Nikolai Amara Ralf Guadalupe Kiran Anneli
    Rashid Ella Bruno Chipo Aaron Sunita Mikko Halima Robert Elif Santiago Keiko Adam Mwajuma Filip Rania Oscar Dalia
    Gabriel Nomvula Erika Cyrus Juana Tadeusz Selam Ronan Ming Ivana Joseph Asha Magnus Catalina Osman Daphne Kenta
    Yara Lorenzo Sibusiso Helga Navid Florence Dario Tamar
    """
)

LAST_NAMES = listed(
    """
    Keller Okafor Smith Nguyen Garcia Petrov Haddad Kim Johansson Sharma Silva Novak Mensah Tanaka Rossi Ali Murphy
    Chen Kowalski Hernandez Diallo Schmidt Singh Fernandez Yilmaz Brown Santos Ivanov Abebe Dubois Wang Costa Eriksen
    Patel Popescu Mwangi Lopez Sato Horvat Rahman Walker Papadopoulos Lee Moreau Gonzalez Adeyemi Virtanen Khan
    Andersen Martinez Zhang Bauer Ochieng Nowak Farouk Wilson Park Oliveira Jensen Bekele Romero Kovacs Das Hughes
    Mokoena Lindgren Torres Suzuki Weber Boateng Ibrahim Campbell Liu Marino Hansen Castillo Hassan Dvorak Reyes
    Nakamura Mueller Owusu Rivera Gupta Larsen Sokolov Tremblay Pham Fischer Karimi Mendoza Clarke Huang Ricci Nyberg
    Alvarez Kaya Jones Chaudhary Vogel Traore Pereira Cho Bakker Vargas Melnyk Evans Yamamoto Asante Becker Morales
    Hussain Olsen Zhou Ferrari Dlamini Ortiz Georgiou Baker Rao Hofmann Ahmed Ramos Lefebvre Takahashi Nielsen Eze
    Cruz Wagner Malik Scott Tran Bianchi Korhonen Delgado Toure Green Iyer Hoffmann Aydin Flores Janssen Kato Achebe
    Schneider Vega Bondarenko Reid Xu Greco Berg Navarro Rezaei Cohen Balogun Kumar Visser Guerrero Ito Morris Sorensen
    Salazar Mutua Zimmermann Choi Barros Holm Aziz Fuentes Popov Turner Bose Richter Chukwu Ramirez Yamada Dupont
    Lam Conti Hakimi Forsberg Ndlovu Rojas Wright Kaplan Mehta Braun Soto Osei Gomes Nilsson Demir Cooper Wu Esposito
    Kariuki Cardoso Hamid Bell Nair Krause Guzman Mori Stewart Lindqvist Medina Gebre Lang Shah Varga Carvalho Ward
    Thapa Jimenez Abubakar Hayashi Klein Fraser Sanchez Ozturk Kang Romano Dahl Mbeki Peters Acosta Goldberg Sithole
    Wolf Bhatt Ferreira Laine Campos Saleh Murray Zulu Ono Greer Pinto Hallberg Tekle Roth Joshi Molina Barry Watanabe
    Lund Castro Sharif Doyle Ong Marchetti Aalto Figueroa Koroma Simmons Vidal Shimizu Kruger Banerjee Leclerc
    """
)
