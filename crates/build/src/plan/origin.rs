//! Where `--from` and `from=` lead.

use oci::image::ImageConfig;

use super::stage::Planner;
use super::step::Origin;
use super::{BaseImage, NamedContext};
use crate::error::Result;
use crate::fault::Fault;
use crate::source::Span;

impl Planner<'_> {
    /// Finds what is called so, seen from a stage: a context, an earlier stage, or an image. Stages are planned at once.
    pub(super) fn origin(&mut self, name: &str, span: Span, here: usize) -> Result<Origin> {
        let lower = name.to_lowercase();
        match self.request.contexts.get(name).or_else(|| self.request.contexts.get(&lower)).cloned() {
            Some(NamedContext::Directory) => return Ok(Origin::Named(name.to_owned())),
            Some(NamedContext::Image(image)) => return self.source(&image, span),
            None => {}
        }
        let stages = &self.dockerfile.stages;
        let is_it = |index: &usize| stages[*index].from.name().as_ref() == Some(&lower);
        if let Some(index) = (0..here).rev().find(is_it) {
            self.stage(index)?;
            return Ok(Origin::Stage(index));
        }
        if (here..stages.len()).any(|index| is_it(&index)) {
            return Err(self.dockerfile.fault(
                Fault::new(span, format!("stage `{name}` is not finished here"))
                    .hint("a stage can be used by those that follow it: move it up"),
            ));
        }
        self.source(name, span)
    }

    /// An image to copy from; where nothing is built, it need not be here.
    fn source(&mut self, name: &str, span: Span) -> Result<Origin> {
        match self.image(name, span) {
            Err(crate::Error::Image { .. }) if self.request.check_only => {
                let (id, config) = (String::new(), ImageConfig::default());
                Ok(Origin::Image(BaseImage { name: name.to_owned(), id, config }))
            }
            other => other.map(Origin::Image),
        }
    }

    /// Finds a stage by its number, as `COPY --from` allows it.
    pub(super) fn numbered(&mut self, name: &str, span: Span, here: usize) -> Result<Option<Origin>> {
        let Ok(index) = name.parse::<usize>() else { return Ok(None) };
        if index >= here {
            return Err(self.dockerfile.fault(
                Fault::new(span, format!("there is no stage {index} before this one"))
                    .hint("stages are counted from 0; a name with `AS` is plainer"),
            ));
        }
        self.stage(index)?;
        Ok(Some(Origin::Stage(index)))
    }

    /// Looks an image up, once for each name.
    pub(super) fn image(&mut self, name: &str, span: Span) -> Result<BaseImage> {
        if let Some(image) = self.images.get(name) {
            return Ok(image.clone());
        }
        let image = self.base_images.base_image(name).map_err(|unavailable| {
            let text = format!("cannot use image `{name}`: {}", unavailable.text);
            let shown = Fault::new(span, text).render(&self.dockerfile.source);
            crate::Error::Image { shown, unavailable }
        })?;
        self.images.insert(name.to_owned(), image.clone());
        Ok(image)
    }
}
